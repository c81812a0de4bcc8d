"""Runs a client's checks one by one and prints a line of JSON for each: what the test reads."""
import asyncio
import inspect
import json
import sys
import traceback

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def main(*arguments):
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            result = function(*arguments)
            if inspect.isawaitable(result):
                asyncio.run(result)
            report = {"name": name, "ok": True}
        except BaseException:
            report = {"name": name, "ok": False, "why": traceback.format_exc(limit=-4)}
        print(json.dumps(report), flush=True)


def options():
    return json.loads(sys.argv[1])
