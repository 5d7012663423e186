-- name: answers()
-- The smallest question: does the database answer at all?
select 1;
