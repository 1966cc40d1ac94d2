"""What a person reads of an item."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.items.words import text_of
from tests.contracts.openai_items import every_shape

FILE = {"type": "input_file", "filename": "plan.pdf", "file_data": "JVBERi0xLjc="}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"role": "user", "content": "Hi"}, "Hi"),
        (
            {"role": "user", "content": [{"type": "input_text", "text": "See"}, FILE]},
            "See\n[file: plan.pdf]",
        ),
        ({"role": "user", "content": [{"type": "input_image", "image_url": "data:x"}]}, "[image]"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}, "[audio]"),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, "No."),
        ({"role": "user", "content": [{"type": "a_smell", "notes": "pine"}]}, "[a smell]"),
        (
            {"type": "function_call", "name": "get_weather", "arguments": '{"city":"Paris"}'},
            'get_weather({"city":"Paris"})',
        ),
        ({"type": "custom_tool_call", "name": "sql", "input": "SELECT 1"}, "sql(SELECT 1)"),
        ({"type": "mcp_call", "name": "f", "arguments": "{}", "output": "done"}, "f({})\ndone"),
        (
            {"type": "mcp_call", "name": "f", "arguments": "{}", "error": {"message": "no such tool"}},
            "f({})\nno such tool",
        ),
        ({"type": "web_search_call", "action": {"type": "search", "query": "fox"}}, "web_search(fox)"),
        (
            {"type": "web_search_call", "action": {"type": "open_page", "url": "https://a"}},
            "web_search(https://a)",
        ),
        (
            {"type": "file_search_call", "queries": ["fox", "hen"], "results": [{"text": "A fox"}]},
            "file_search(fox, hen)\nA fox",
        ),
        (
            {"type": "code_interpreter_call", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]},
            "code_interpreter(1+1)\n2",
        ),
        ({"type": "local_shell_call", "action": {"command": ["ls", "-l"]}}, "local_shell(ls -l)"),
        ({"type": "shell_call", "action": {"commands": ["cd a", "ls"]}}, "shell(cd a; ls)"),
        (
            {"type": "computer_call", "action": {"type": "wait"}},
            'computer({"type":"wait"})',
        ),
        (
            {"type": "apply_patch_call", "operation": {"type": "update_file", "path": "a.py", "diff": "+1"}},
            "apply_patch(update_file a.py\n+1)",
        ),
        ({"type": "function_call_output", "output": "12 °C"}, "12 °C"),
        (
            {"type": "function_call_output", "output": [{"type": "input_text", "text": "a"}, FILE]},
            "a\n[file: plan.pdf]",
        ),
        ({"type": "computer_call_output", "output": {"type": "computer_screenshot"}}, "[screenshot]"),
        ({"type": "shell_call_output", "output": [{"stdout": "out", "stderr": "err"}]}, "out\nerr"),
        ({"type": "program_output", "result": "42"}, "42"),
        ({"type": "tool_search_output", "tools": [{"type": "function", "name": "f"}]}, "f"),
        (
            {"type": "reasoning", "summary": [{"text": "Think"}], "content": [{"text": "hard"}]},
            "Think\nhard",
        ),
        ({"type": "image_generation_call", "result": "iVBORw0=", "revised_prompt": "A fox"}, "A fox"),
        ({"type": "image_generation_call", "result": "iVBORw0="}, "[image]"),
        ({"type": "mcp_approval_request", "name": "delete", "arguments": "{}"}, "delete({})"),
        ({"type": "mcp_approval_response", "approve": True}, "approved"),
        ({"type": "mcp_approval_response", "approve": False, "reason": "Too dear"}, "refused: Too dear"),
        ({"type": "mcp_list_tools", "tools": [{"name": "f"}, {"name": "g"}]}, "f\ng"),
        ({"type": "compaction", "encrypted_content": "gAAAA"}, ""),
        ({"type": "mood", "text": "calm"}, "calm"),
    ],
)
def test_an_item_is_read_as_its_words(item: dict[str, Any], words: str) -> None:
    assert text_of(item) == words


def test_what_is_encrypted_or_a_file_is_never_among_the_words() -> None:
    for item in every_shape():
        text = text_of(item)
        for hidden in ("encrypted_content", "image_url", "file_data", "file_url", "fingerprint", "headers"):
            assert f"a_{hidden}" not in text


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "output", "action", "name", "tools", "summary", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
types = st.sampled_from(["message", "reasoning", "function_call", "shell_call_output", "mcp_list_tools", "x"])


@given(st.dictionaries(st.text(), anything), types, anything, anything)
def test_words_are_found_in_whatever_is_there(item: Any, type_: str, content: Any, output: Any) -> None:
    assert isinstance(text_of(item | {"type": type_, "content": content, "output": output}), str)
