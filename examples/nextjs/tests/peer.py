"""A host in Python, beside hosts in other languages: the orders and answers are those of ``tests/src/bin/peer.rs``."""

import json
import os
import sys

from kingcong import KingCong, Speech

with KingCong.open(os.environ["DATABASE_URL"], preset="kingcong", mode=sys.argv[1]) as kc:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        match json.loads(line):
            case {"submit": {"user": user, "text": text, "key": key}}:
                voice = "21m00Tcm4TlvDq8ikWAM"
                job = kc.submit(Speech(user, text, service="elevenlabs", voice=voice, idempotency_key=key))
                answer = {"job": job.id}
            case {"wait": id}:
                report = kc.job(id).wait()
                charged, balance = int(report.job.charged), int(report.balance)
                answer = {"state": report.job.state, "charged": charged, "balance": balance}
            case other:
                answer = {"error": f"unknown order {other}"}
        print(json.dumps(answer), flush=True)
