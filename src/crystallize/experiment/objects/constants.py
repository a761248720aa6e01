"""Names that experiments, their results and their readers share."""

METADATA_FILENAME = "metadata.json"
BASELINE_CONDITION = "baseline"

REPLICATE_KEY = "replicate"
CONDITION_KEY = "condition"
SEED_USED_KEY = "seed_used"
STEP_NAME_KEY = "step_name"
