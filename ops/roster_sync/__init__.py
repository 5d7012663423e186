"""The roster of the CRM: read from a view or table, judged, and taken when nothing about it is suspicious."""
