# SPDX-License-Identifier: Apache-2.0
"""Enough of C++'s lexical structure for text checks: comments, literals, brackets, includes."""

import re

_TOKEN = re.compile(
    r"//(?:\\\n|[^\n])*"
    r"|/\*.*?\*/"
    r'|(?:u8|[uUL])?R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'",
    re.DOTALL)
_BLANK = re.compile(r"[^\n]")
_CLOSE = {")": "(", "]": "[", "}": "{"}


def blank(text):
    return _BLANK.sub(" ", text)


def without_comments_and_literals(text):
    """The same text, same length, comments and the inside of literals turned into spaces."""
    def replace(match):
        token = match.group(0)
        if token.startswith("/"):
            return blank(token)
        return token[0] + blank(token[1:-1]) + token[-1]
    return _TOKEN.sub(replace, text)


def without_comments(text):
    return _TOKEN.sub(lambda m: blank(m.group(0)) if m.group(0)[0] == "/" else m.group(0), text)


def code_only(text):
    """Without comments, literals and preprocessor lines."""
    text = without_comments_and_literals(text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: blank(m.group(0)), text,
                  flags=re.MULTILINE)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def brackets(text):
    """Partner of each bracket's position, both ways. What is not balanced has no partner."""
    partner = {}
    stack = []
    for match in re.finditer(r"[()\[\]{}]", text):
        c, position = match.group(0), match.start()
        if c in "([{":
            stack.append(position)
            continue
        # Unbalanced text (two branches of an #if): drop what does not fit.
        while stack and text[stack[-1]] != _CLOSE[c]:
            stack.pop()
        if stack:
            partner[position] = stack[-1]
            partner[stack.pop()] = position
    return partner


def includes(text):
    """(line, delimiter, name, whether inside #if) for each #include."""
    out = []
    depth = 0
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        if re.match(r"\s*#\s*if", line):
            depth += 1
        elif re.match(r"\s*#\s*endif", line):
            depth -= 1
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            out.append((number, match.group(1), match.group(2), depth > 0))
    return out
