# SPDX-License-Identifier: MIT
"""xml.etree: parsing, searching, changing and writing trees."""
import io
import xml.etree.ElementTree as ET

import pyperf

XML = ("<root>" + "".join(
    f"<item id='{i}' kind='k{i % 5}'><name>name {i}</name><value unit='m'>{i / 3}</value>"
    f"<empty/> tail {i}</item>" for i in range(200)) + "</root>")
TREE = ET.fromstring(XML)
NS = ("<a:root xmlns:a='urn:one' xmlns:b='urn:two'>" +
      "<b:item a:x='1'>text</b:item>" * 200 + "</a:root>")


def fromstring():
    return ET.fromstring(XML)


def fromstring_namespaces():
    return ET.fromstring(NS)


def iterparse():
    for event, e in ET.iterparse(io.StringIO(XML)):
        pass


def pull_parser():
    p = ET.XMLPullParser(["start", "end"])
    p.feed(XML)
    return sum(1 for _ in p.read_events())


def tostring():
    return ET.tostring(TREE)


def iterate():
    for e in TREE.iter():
        e.tag, e.text


def iter_tag():
    return list(TREE.iter("value"))


def find():
    for e in TREE:
        e.find("value")


def findtext():
    for e in TREE:
        e.findtext("name")


def findall_path():
    return TREE.findall("./item[@kind='k1']/value")


def attributes():
    for e in TREE:
        e.get("id"), e.attrib["kind"]


def itertext():
    return "".join(TREE.itertext())


def build():
    root = ET.Element("root")
    for i in range(200):
        e = ET.SubElement(root, "item", {"id": "x"}, n="1")
        e.text = "text"
        e.set("k", "v")
    return root


def change():
    e = ET.Element("x")
    for c in TREE:
        e.append(c)
    e.remove(TREE[3])
    e[5:10] = []
    return len(e)


def indent():
    t = ET.fromstring(XML)
    ET.indent(t)


runner = pyperf.Runner()
for f in (fromstring, fromstring_namespaces, iterparse, pull_parser, tostring, iterate,
          iter_tag, find, findtext, findall_path, attributes, itertext, build, change, indent):
    runner.bench_func(f"etree_{f.__name__}", f)
