"""What each type of item is on the record: its kind, whose it is, and the prefix of ids made for it."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from domain.content import ROLES
from domain.events import Role
from domain.message import kind_of_words

Item = dict[str, Any]


class Sort(Struct, frozen=True):
    kind: str
    role: Role
    prefix: str


MESSAGE: Final = "message"
REFERENCE: Final = "item_reference"
REQUEST, RESPONSE = "mcp_approval_request", "mcp_approval_response"
REASONING: Final = "reasoning"
IMAGE: Final = "image_generation_call"

SORTS: Final[Mapping[str, Sort]] = {
    "additional_tools": Sort("item", "developer", "at_"),
    "apply_patch_call": Sort("tool_call", "assistant", "apc_"),
    "apply_patch_call_output": Sort("tool_output", "tool", "apco_"),
    "code_interpreter_call": Sort("tool_call", "assistant", "ci_"),
    "compaction": Sort("item", "assistant", "cmp_"),
    "compaction_trigger": Sort("item", "user", "cmpt_"),
    "computer_call": Sort("tool_call", "assistant", "cu_"),
    "computer_call_output": Sort("tool_output", "tool", "cuo_"),
    "configuration_update": Sort("item", "developer", "cfg_"),
    "custom_tool_call": Sort("tool_call", "assistant", "ctc_"),
    "custom_tool_call_output": Sort("tool_output", "tool", "ctco_"),
    "file_search_call": Sort("tool_call", "assistant", "fs_"),
    "function_call": Sort("tool_call", "assistant", "fc_"),
    "function_call_output": Sort("tool_output", "tool", "fco_"),
    IMAGE: Sort("generated_image", "assistant", "ig_"),
    REFERENCE: Sort("item", "user", "ref_"),
    "local_shell_call": Sort("tool_call", "assistant", "lsh_"),
    "local_shell_call_output": Sort("tool_output", "tool", "lsho_"),
    REQUEST: Sort("approval", "assistant", "mcpr_"),
    RESPONSE: Sort("approval", "user", "mcpa_"),
    "mcp_call": Sort("tool_call", "assistant", "mcp_"),
    "mcp_list_tools": Sort("item", "tool", "mcpl_"),
    "program": Sort("tool_call", "assistant", "prog_"),
    "program_output": Sort("tool_output", "tool", "progo_"),
    REASONING: Sort("reasoning", "assistant", "rs_"),
    "shell_call": Sort("tool_call", "assistant", "sh_"),
    "shell_call_output": Sort("tool_output", "tool", "sho_"),
    "tool_search_call": Sort("tool_call", "assistant", "tsc_"),
    "tool_search_output": Sort("tool_output", "tool", "tso_"),
    "web_search_call": Sort("tool_call", "assistant", "ws_"),
}


def type_of(item: Item) -> str:
    """As it is given; the two that may leave it out are known by what they have instead."""
    given = item.get("type")
    if isinstance(given, str):
        return given
    return MESSAGE if "role" in item else REFERENCE


def sort_of(item: Item) -> Sort:
    name = type_of(item)
    role = role_in(item)
    if name == MESSAGE:
        role = role or "unknown"
        return Sort(kind_of_words(role), role, "msg_")
    known = SORTS.get(name) or sort_by_name(name)
    if role is None or known.kind != "item":
        return known
    return Sort(known.kind, role, known.prefix)


def sort_by_name(name: str) -> Sort:
    """Of a type that nobody knows yet; those of calls and their outputs are all named alike."""
    if name.endswith("_call"):
        return Sort("tool_call", "assistant", "item_")
    if name.endswith("_output"):
        return Sort("tool_output", "tool", "item_")
    return Sort("item", "unknown", "item_")


def role_in(item: Item) -> Role | None:
    given = item.get("role")
    return next((role for role in ROLES if role == given), None)
