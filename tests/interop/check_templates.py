"""Random Jinja, rendered by Owlet and by transformers' own sandboxed Jinja: values through chains of filters, tests, methods, operators, slices
and statements. Equal means the same text, or an error from both. Left out is what prints the names of Python's own classes: ranges, and parts of
escaped texts; and letters beyond ASCII, which keep their case here."""
import datetime
import json
import random
import subprocess

import common
from transformers.utils import chat_template_utils

ROUNDS, EXPRESSIONS = 160, 25
VALUES = ["'abc'", "'a b  c'", "''", "'na <b>'", "'x-y-x'", "' pad\\n '", "'1\\n\\n2'", "'12'", "'-3.5'", "[1, 2, 3]", "[3, 1, 2, 1]", "['b', 'A', 'c', 'a']",
          "[]", "[{'k': 2, 'v': 'x'}, {'k': 1, 'v': 'y'}, {'k': 2, 'v': 'z'}]", "{'b': 1, 'a': 2}", "{}", "(1, 'x')", "5", "-7", "2.5", "0", "true",
          "none", "missing", "messages", "messages[0]", "range(4)|list", "'abcdef'[1:4]", "[1, 2, 3][::-1]", "messages[:1]"]
FILTERS = ["abs", "batch(2)|list", "batch(2, 0)|list", "capitalize", "center(9)", "count", "d('no')", "default('no', true)", "dictsort", "dictsort(by='value')",
           "first", "float", "float(1.5)", "groupby('k')|map('last')|list", "indent", "indent(2, true)", "indent('> ', blank=true)", "int", "int(4)", "items|list",
           "join", "join('-')", "join(', ', attribute='v')", "last", "length", "list", "lower", "map('string')|list", "map(attribute='k')|list", "map('upper')|join", "max", "min",
           "max(attribute='k')", "reject('none')|list", "rejectattr('k', 'eq', 2)|list", "replace('a', 'zz')", "replace('x', '', 1)", "reverse|list", "round(1)", "round(0, 'floor')",
           "select|list", "select('string')|list", "selectattr('k')|list", "selectattr('k', 'gt', 1)|list", "slice(2)|list", "sort", "sort(reverse=true)", "sort(attribute='k')",
           "string", "sum", "sum(attribute='k')", "title", "tojson", "tojson(indent=2)", "tojson(sort_keys=true)", "trim", "trim('x')", "truncate(6, leeway=0)", "unique|list", "upper",
           "wordcount"]
METHODS = [".upper()", ".split()", ".split('-')", ".split('x', 1)", ".rsplit('-', 1)", ".strip()", ".lstrip(' p')", ".title()", ".capitalize()", ".startswith('a')",
           ".endswith(('c', 'd'))", ".find('b')", ".rfind('x')", ".count('x')", ".replace('b', '')", ".join(['1', '2'])", ".splitlines()", ".isdigit()", ".isalpha()", ".partition('-')",
           ".rpartition('-')", ".removeprefix('a')", ".removesuffix('c')", ".ljust(5)", ".zfill(5)", ".swapcase()", ".format(1)", ".get('a')", ".get('z', 9)", ".items()|list", ".keys()|list",
           ".values()|list", ".copy()", ".index('x')", ".index(1)", ".k", ".content", "['a']", "[0]", "[-1]"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence", "odd", "even", "lower", "upper", "in [1, 'abc']", "eq 5",
         "sameas none", "divisibleby 3", "true", "false", "gt 1"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or"]
STATEMENTS = ["{{% for x in ({0}) %}}{{{{ loop.index }}}}{{{{ x }}}}{{{{ loop.cycle('a', 'b') }}}}{{% else %}}none{{% endfor %}}", "{{% if ({0}) %}}y{{% elif ({1}) %}}z{{% endif %}}",
              "{{% set x = {0} %}}{{{{ x }}}}", "{{% set x %}}{{{{ {0} }}}} {{% endset %}}[{{{{ x|trim }}}}]", "{{% macro m(a, b={1}) %}}{{{{ a }}}}|{{{{ b }}}}{{% endmacro %}}{{{{ m({0}) }}}}",
              "{{% filter upper %}}{{{{ {0} }}}}{{% endfilter %}}", "{{% with x = {0} %}}{{{{ x }}}}{{% endwith %}}",
              "{{% macro m() %}}<{{{{ caller({0}) }}}}>{{% endmacro %}}{{% call(v) m() %}}{{{{ v }}}}{{% endcall %}}", "{{% for k, v in ({0}) %}}{{{{ k }}}}={{{{ v }}}};{{% endfor %}}"]


def expression(rng, depth=2):
    kind = rng.random()
    if depth == 0 or kind < 0.1:
        return rng.choice(VALUES)
    inner = expression(rng, depth - 1)
    if kind < 0.5:
        return f"({inner})|{rng.choice(FILTERS)}"
    if kind < 0.75:
        return f"({inner}){rng.choice(METHODS)}"
    if kind < 0.82:
        return f"({inner}) is {rng.choice(TESTS)}"
    if kind < 0.86:
        return f"({inner}) if {rng.choice(VALUES)} else {rng.choice(VALUES)}"
    return f"({inner}) {rng.choice(OPERATORS)} {rng.choice(VALUES)}"


def template(rng):
    if rng.random() < 0.3:
        return rng.choice(STATEMENTS).format(expression(rng, 1), expression(rng, 1))
    return "{{ " + expression(rng) + " }}"


def rendered(source, messages):
    try:
        return {"text": chat_template_utils._compile_jinja_template(source).render(messages=messages, tools=None, documents=None)}
    except Exception as error:  # whatever a template makes of its values
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    arguments = common.arguments(__doc__)
    report = common.Report()
    messages = [{"role": "user", "content": "Hi <there>"}, {"role": "assistant", "content": "x"}]
    now = datetime.datetime(2026, 1, 2, 3, 4, 5).isoformat()
    for round_number in range(ROUNDS):
        rng = random.Random(round_number)
        folder = arguments.work / f"round-{round_number}" / "templates"
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(EXPRESSIONS):
            source = template(rng)
            case = {"name": source[:150], "messages": messages, "variables": {}, **rendered(source, messages)}
            (folder / f"{i}.jinja").write_text(source)
            (folder / f"{i}.expected.json").write_text(json.dumps({"now": now, "cases": [case]}))
        lines = subprocess.run([arguments.owlet.with_name("golden"), folder.parent], capture_output=True, text=True, timeout=600).stdout.splitlines()
        wrong = [line.split("first ", 1)[1] for line in lines if line.startswith("FAIL")]
        report.check(not wrong and lines, f"round {round_number}", f"{EXPRESSIONS} templates" + "".join("\n     " + line for line in wrong))
    report.finish()


if __name__ == "__main__":
    main()
