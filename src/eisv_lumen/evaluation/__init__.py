"""How a speaker is scored: beside a floor, a ceiling and the perfect imitator."""
