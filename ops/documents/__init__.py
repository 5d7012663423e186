"""What commands and the API show, as documents: one function per kind, which both of them call."""
