-- name: still_here()
-- Says to the server that this session is at work, and not forgotten. Truly about no tenant.
select true;
