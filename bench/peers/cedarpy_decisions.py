"""Decisions per second of cedarpy with prepared policy and entity handles. Prints JSON. Runs in Lichen's own venv."""

import json
import sys
import time
from importlib.metadata import version

import cedarpy

policies, request, entities = json.loads(sys.stdin.read())
prepared = cedarpy.PolicySet.from_str(policies)
known = cedarpy.Entities.from_json_str(json.dumps(entities))
assert cedarpy.is_authorized(request, prepared, known).allowed
began, count = time.perf_counter(), 0
while time.perf_counter() - began < 0.5:
    for _ in range(20):
        cedarpy.is_authorized(request, prepared, known)
    count += 20
seconds = time.perf_counter() - began
print(json.dumps({"us": seconds / count * 1e6, "version": version("cedarpy")}))
