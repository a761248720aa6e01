"""Names that experiments, their results and their readers share."""

METADATA_FILENAME = "metadata.json"
BASELINE_CONDITION = "baseline"

REPLICATE_KEY = "replicate"
CONDITION_KEY = "condition"
SEED_USED_KEY = "seed_used"
STEP_NAME_KEY = "step_name"

TAGS = "tags"
"""The fact of a trial: metric → the tags of its values, for metrics that have any."""
STEP_TAG = "step"
"""The tag that says which epoch, iteration or time a value belongs to."""
