# SPDX-License-Identifier: MIT
"""lxml: parsing, XPath, walking, building, XSLT, HTML, writing."""
import io

from lxml import etree, html
import pyperf

XML = ("<root>" + "".join(
    f"<item id='{i}' kind='k{i % 5}'><name>name {i}</name><value>{i / 3}</value> tail</item>"
    for i in range(200)) + "</root>").encode()
TREE = etree.fromstring(XML)
HTML = "<html><body>" + "<p class=a>text <b>bold</b> <a href='/x'>link</a>" * 100
PAGE = html.fromstring(HTML)
VALUES = etree.XPath("//item[@kind='k1']/value/text()")
STYLE = etree.XSLT(etree.XML(
    b"<x:stylesheet version='1.0' xmlns:x='http://www.w3.org/1999/XSL/Transform'>"
    b"<x:template match='/'><o><x:for-each select='//item'><i><x:value-of select='name'/></i>"
    b"</x:for-each></o></x:template></x:stylesheet>"))


def fromstring():
    return etree.fromstring(XML)


def iterparse():
    for event, e in etree.iterparse(io.BytesIO(XML)):
        e.clear()


def tostring():
    return etree.tostring(TREE, pretty_print=True)


def iterate():
    for e in TREE.iter():
        e.tag, e.text


def children():
    for e in TREE:
        for c in e:
            c.text


def attributes():
    for e in TREE:
        e.get("id"), e.attrib["kind"]


def xpath():
    return VALUES(TREE)


def xpath_text():
    return TREE.xpath("count(//item[name])")


def find():
    for e in TREE:
        e.find("value"), e.findtext("name")


def build():
    root = etree.Element("root")
    for i in range(200):
        e = etree.SubElement(root, "item", id="x")
        e.text = "text"
        e.set("k", "v")
    return root


def xslt():
    return STYLE(TREE)


def html_parse():
    return html.fromstring(HTML)


def html_links():
    return list(PAGE.iterlinks())


def html_text():
    return PAGE.text_content()


class Target:
    def __init__(self):
        self.n = 0

    def start(self, tag, attrib):
        self.n += 1

    def end(self, tag):
        pass

    def data(self, data):
        pass

    def close(self):
        return self.n


def parser_target():
    return etree.fromstring(XML, etree.XMLParser(target=Target()))


runner = pyperf.Runner()
for f in (fromstring, iterparse, tostring, iterate, children, attributes, xpath, xpath_text,
          find, build, xslt, html_parse, html_links, html_text, parser_target):
    runner.bench_func(f"lxml_{f.__name__}", f)
