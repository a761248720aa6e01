"""The node of each place: what is written of it and where it leads, each made once.

Puts together statements, objects and values; the walk over the nodes is `code.py`. Values come last, because a value
may hold a function that reads the very name it stands under.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from weakref import WeakKeyDictionary

from crystallize.errors import NotReusableError
from crystallize.fingerprint import values
from crystallize.fingerprint.digest import Digest, digest_bytes, digest_of
from crystallize.fingerprint.left import LeftStates
from crystallize.fingerprint.loaded import MISSING, assigned_in
from crystallize.fingerprint.manifest import Piece
from crystallize.fingerprint.modules import Modules
from crystallize.fingerprint.nodes import External, Held, Name, Node, Place, Thing, Whole
from crystallize.fingerprint.objects import Objects
from crystallize.fingerprint.resolve import Resolver
from crystallize.fingerprint.shape import Shaper

VALUE_LIMIT_BYTES = 1 << 20
"""A module-level value whose canonical form is longer counts by its statements alone."""
