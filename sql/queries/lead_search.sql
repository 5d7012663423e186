-- name: newest_with(tenant_id, looked_at, pattern, word, email, limit)
-- Of the newest leads those whose name or company has a word in it, or whose external id, phone or e-mail address is it.
select lead_id
  from (select lead_id, external_id, name, company, phone, email from lead
         where tenant_id = :tenant_id order by lead_id desc limit :looked_at) l
 where name ilike :pattern or company ilike :pattern or external_id = :word or phone = :word or lower(email) = :email
 order by lead_id desc limit :limit;
