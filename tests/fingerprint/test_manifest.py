"""Manifests: one fingerprint, however their parts are held."""

from __future__ import annotations

import pickle

from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.manifest import Manifest, Part, PartTable, Rows

TABLE = PartTable([Part("code.train", digest_of("code/1", b"train"), "train")])
OWN = [Part("replicate", digest_of("replicate/1", b"0"), "0"), Part("seed", digest_of("seed/1", b"7"), "7")]


def test_shared_rows_give_the_fingerprint_of_rows_that_are_listed() -> None:
    listed, shared = Manifest("trial/1", TABLE, OWN), Manifest("trial/1", TABLE, Rows(OWN))

    assert listed.fingerprint == shared.fingerprint
    assert listed.own == shared.own == tuple(OWN)
    assert Manifest("trial/1", TABLE, OWN[::-1]).fingerprint != listed.fingerprint


def test_rows_that_travel_keep_their_digest() -> None:
    rows = Rows(OWN)

    assert pickle.loads(pickle.dumps(rows)).digest == rows.digest
