"""What validating roles found, as JUnit XML: the form that CI systems read. The schema is the one of Apache Ant's task `junitreport`."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from engine.api.views import Case, CaseResult, Group, Proof

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped (section 2.2)."""


def junit(proofs: Sequence[Proof]) -> str:
    """One suite for each group of tests; for a role without tests a suite with one case, which is the role."""
    top = ET.Element("testsuites", name="crowbar validate")
    for proof in proofs:
        if proof.report is None or not proof.report.groups:
            _suite(top, proof, Group(name=proof.role, seconds=proof.seconds, tests=(_itself(proof),)))
            continue
        for group in proof.report.groups:
            _suite(top, proof, group)
        if proof.result == "failed" and not proof.report.tests("failed"):
            _suite(top, proof, Group(name=proof.role, tests=(_itself(proof),)))
    ET.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def _itself(proof: Proof) -> Case:
    line = proof.why.sentence[:300] if proof.why is not None else ""
    result: CaseResult = "passed" if proof.result == "passed" else "failed" if proof.result == "failed" else "skipped"
    return Case(name=proof.node, result=result, seconds=proof.seconds, line=line or ("" if result == "passed" else proof.result))


def _suite(top: ET.Element, proof: Proof, group: Group) -> None:
    results = [test.result for test in group.tests]
    attributes = {
        "name": group.name,
        "hostname": proof.node,
        "package": proof.role,
        "tests": str(len(results)),
        "failures": str(results.count("failed")),
        "errors": "0",
        "skipped": str(results.count("skipped") + results.count("excluded")),
        "time": f"{group.seconds:.3f}",
    }
    if proof.ended:
        attributes["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(proof.ended))
    suite = ET.SubElement(top, "testsuite", {name: _text(value) for name, value in attributes.items()})
    for test in group.tests:
        case = ET.SubElement(suite, "testcase", classname=_text(group.name), name=_text(test.name), time=f"{test.seconds:.3f}")
        if test.result == "failed":
            ET.SubElement(case, "failure", message=_text(test.line)).text = _text(test.line)
        elif test.result != "passed":
            ET.SubElement(case, "skipped", message=_text(test.line or test.result))


def _text(text: str) -> str:
    return _NOT_XML.sub("?", text)
