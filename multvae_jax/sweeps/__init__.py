"""Many settings of one model, trained together."""
