-- name: count_crash(tenant_id, careful_from, careful_leads)!
-- Counts a holder that crashed in the middle of a batch; from `careful_from` crashes on, so many leads are taken one at a time.
update lane l set crashes = n.crashes, crashed_at = clock_timestamp(),
       careful = case when n.crashes >= :careful_from then :careful_leads else 0 end,
       noted_lead = case when n.crashes > 1 then l.noted_lead end,
       noted_crashes = case when n.crashes > 1 and l.noted_lead is not null then l.noted_crashes + 1 else 0 end
  from (select case when crashed_at > clock_timestamp() - interval '10 min' then crashes else 0 end + 1 as crashes
          from lane where tenant_id = :tenant_id) n
 where l.tenant_id = :tenant_id;

-- name: note_lead(tenant_id, lead_id)!
-- Notes the lead that is taken next, and nothing else with it.
update lane set noted_lead = :lead_id, noted_crashes = 0 where tenant_id = :tenant_id;

-- name: lead_came_through(tenant_id)!
-- After a lead that was taken alone: the next ready one is noted, or none when enough came through.
update lane set crashes = case when careful > 1 then crashes else 0 end, careful = greatest(careful - 1, 0), noted_crashes = 0,
       noted_lead = case when careful > 1 then (select lead_id from lead_pool where tenant_id = :tenant_id and wake_key = 0
                                                 order by rank, queued_at, lead_id limit 1) end
 where tenant_id = :tenant_id;

-- name: forget_note(tenant_id)!
-- The noted lead is not there any more, or somebody else has it locked.
update lane set noted_lead = null, noted_crashes = 0 where tenant_id = :tenant_id;

-- name: end_quarantine(tenant_id)!
-- The lead that crashed the holders is parked: batches are as usual again.
update lane set crashes = 0, crashed_at = null, careful = 0, noted_lead = null, noted_crashes = 0 where tenant_id = :tenant_id;

-- name: not_crashed(tenant_id)!
-- Takes the lane for a moment, if it is free: the next holder shall not take an error of ours for a crash.
update lane set careful = careful
 where tenant_id = :tenant_id and ctid = any(array(select ctid from lane where tenant_id = :tenant_id for update skip locked));
