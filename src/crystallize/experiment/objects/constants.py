"""Names that experiments, their results and their readers share."""

METADATA_FILENAME = "metadata.json"
"""The file of a version's folder that says how many replicates there are, and the experiment's name and id.

Examples
--------
>>> METADATA_FILENAME
'metadata.json'
"""
BASELINE_CONDITION = "baseline"
"""The condition without a treatment.

Examples
--------
>>> list(quick_experiment(lambda: 1)) == [BASELINE_CONDITION]
True
"""

REPLICATE_KEY = "replicate"
"""The key of the context under which a trial finds the number of its replicate, from 0.

Examples
--------
>>> standalone_context({"replicate": 3})[REPLICATE_KEY]
3
"""
CONDITION_KEY = "condition"
"""The key of the context under which a trial finds the name of its condition.

Examples
--------
>>> standalone_context({"condition": "baseline"})[CONDITION_KEY] == BASELINE_CONDITION
True
"""
SEED_USED_KEY = "seed_used"
"""The key of the context under which a trial finds its seed, a whole number below 2**32.

Examples
--------
>>> standalone_context({"seed_used": 7})[SEED_USED_KEY]
7
"""
STEP_NAME_KEY = "step_name"

TAGS = "tags"
"""The fact of a trial: metric → the tags of its values, for metrics that have any."""
SAME_AS = "same_as"
"""The fact of a fetch that brought what was fetched last: in which run that was."""
UNSTEADY = "unsteady"
"""The fact of a fetch whose bytes differ though its contents seem to be the same: a sentence for each source."""
STEP_TAG = "step"
"""The tag that says which epoch, iteration or time a value belongs to."""
