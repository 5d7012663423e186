"""The part of the API that is about operating the service; the routes of leads are in `router.http`."""
