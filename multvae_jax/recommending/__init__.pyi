from . import scoring as scoring
