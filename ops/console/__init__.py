"""Pages for operators, managers and reps: server-rendered, over the operations of the API."""
