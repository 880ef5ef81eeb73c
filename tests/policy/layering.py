#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each component includes only what lies below it. The same table is in docs/design.md."""

import cpp_text
import policy

# Folder: what it may include besides itself and the standard library; 'boost' and 'json' are
# third parties, '*' any third party.
ALLOWED = {
    "report": {"json"},
    "runtime": {"*"},
    "instrumentation": {"*", "report", "runtime"},
    "profiler-server/protocol": {"json", "report"},
    "profiler-server/server": {"*", "report", "runtime", "instrumentation",
                               "profiler-server/protocol"},
    "profiler-server/client": {"*", "report", "runtime", "profiler-server/protocol"},
    "profiler-server/inspector": {"report", "runtime"},
    "profiler-server/cli": {"*", "report", "runtime", "profiler-server/protocol",
                            "profiler-server/client", "profiler-server/inspector"},
    "testkit": {"*", "report", "runtime", "instrumentation"},
}
THIRD_PARTIES = {"boost": "boost", "nlohmann": "json"}


def component_of(path):
    for folder in ALLOWED:
        if path.startswith(folder + "/"):
            return folder
    return None


def provider_of(tree, name):
    """The component that has the public header, 'std', or a third party."""
    if name.startswith("coroscope/"):
        for folder in ALLOWED:
            if f"{folder}/include/{name}" in tree:
                return folder
        segment = name.split("/")[1].replace("_", "-")
        return segment if segment in ALLOWED else f"unknown header <{name}>"
    first = name.split("/")[0]
    if first in THIRD_PARTIES:
        return THIRD_PARTIES[first]
    return "std" if "." not in name or "/" not in name or name.endswith(".h") else "another library"


def check(tree):
    for path in tree.paths(*policy.CPP):
        component = component_of(path)
        if component is None:
            continue
        allowed = ALLOWED[component] | {component, "std"}
        for line, quote, name, _ in cpp_text.includes(tree.text(path)):
            if quote == '"':
                if ".." in name.split("/") or name.startswith("coroscope/"):
                    yield path, line, f'"{name}" leaves the folder of its file'
                continue
            provider = provider_of(tree, name)
            third_party = provider not in ALLOWED and not provider.startswith("unknown")
            if provider not in allowed and not (third_party and "*" in allowed):
                yield path, line, f"{component} may not include <{name}> ({provider})"


def main():
    header = "#pragma once\n"
    server = "profiler-server/server/include/coroscope/profiler_server/server.hpp"
    protocol = "profiler-server/protocol/include/coroscope/profiler_server/request.hpp"
    include_server = "#include <coroscope/profiler_server/server.hpp>\n"
    policy.run(check,
               {"runtime/src/a.cpp": "#include <coroscope/runtime/a.hpp>\n#include <vector>\n"
                                     "#include <boost/asio.hpp>\n// #include <coroscope/report/x.hpp>\n",
                "testkit/src/a.cpp": "#include <coroscope/runtime/a.hpp>\n",
                "report/src/a.cpp": '#include "b.hpp"\n#include <nlohmann/json.hpp>\n',
                "tests/runtime/a_test.cpp": "#include <coroscope/testkit/a.hpp>\n",
                server: header + "#include <coroscope/profiler_server/request.hpp>\n",
                protocol: header},
               [{"runtime/src/a.cpp": "#include <coroscope/report/finding.hpp>\n"},
                {"runtime/src/a.cpp": '#include "../../report/src/finding.hpp"\n'},
                {"report/src/a.cpp": "#include <boost/asio.hpp>\n"},
                {"report/src/a.cpp": "#include <CLI/CLI.hpp>\n"},
                {"testkit/src/a.cpp": include_server, server: header},
                {"profiler-server/client/src/a.cpp": include_server, server: header},
                {protocol: "#include <coroscope/runtime/loop.hpp>\n"},
                {"profiler-server/client/src/a.cpp":
                     "#include <coroscope/instrumentation/slow.hpp>\n"}])


if __name__ == "__main__":
    main()
