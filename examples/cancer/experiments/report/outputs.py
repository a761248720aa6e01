from jsonfiles import dump_json, load_json

__all__ = ["dump_json", "load_json"]
