"""The typed dataset: schema, splits, blends, configurations."""
