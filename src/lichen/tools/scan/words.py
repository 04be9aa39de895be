"""Descriptions that speak to the model instead of describing: orders, secrecy, and ways to carry something out.

Source: OWASP MCP Top 10 (tool poisoning, context injection); Invariant Labs, tool poisoning attacks (2025).
"""

from __future__ import annotations

from typing import Final

from lichen.tools.scan.rule import Rule, rule

_FILE: Final = (
    r"(?:~|\$HOME|/home|/root|/users)?/?\.(?:ssh|aws|gnupg|kube|netrc|npmrc|pypirc|cursor)\b"
    r"|\bid_(?:rsa|ed25519|ecdsa)\b|\bmcp\.json\b|/etc/(?:passwd|shadow)\b|(?:^|[\s/'\"`(])\.env\b"
)
_READ: Final = r"\b(?:read|open|cat|load|include|pass|send|provide|attach|contents?|copy|paste|fetch|put)\b"
_SECRET: Final = (
    r"\b(?:system prompt|(?:full|entire|whole|complete|previous) (?:conversation|chat|context|history)"
    r"|conversation history|chain[ -]of[ -]thought|your instructions|api keys?|access tokens?|passwords?"
    r"|private keys?|credentials)\b"
)
_ORDER: Final = r"\b(?:must|always|never|only|instead|first|required? to|have to|make sure|be sure)\b"

_FROM_BEFORE: Final = (
    r"\b(?:ignore|disregard|forget|override|bypass)\s(?:all\s|any\s|the\s|your\s|of\s){0,3}"
    r"(?:previous|prior|earlier|above|other|existing|system|safety|original)\s(?:\w{1,16}\s)?"
    r"(?:instructions?|prompts?|rules?|guidelines|messages|directions|restrictions)\b"
)
_MARKS: Final = (
    r"<\s{0,2}/?\s{0,2}(?:important|system|secret|hidden|instructions?|assistant|admin|critical)\s{0,2}>"
    r"|<\|(?:im_start|im_end|system|assistant|endoftext)\|>|\[/?(?:inst|system)\]|<</?sys>>"
)
_ROLE: Final = (
    r"\byou are (?:now|no longer)\s|\bact as (?:an?|the) (?:admin|root|system|unrestricted)\b|\bdeveloper mode\b"
    r"|\bnew instructions?:"
)
_SECRECY: Final = (
    r"\b(?:do not|don't|never|must not|without|avoid)\s(?:\w{1,12}\s){0,2}"
    r"(?:tell|telling|mention|mentioning|inform|informing|reveal|show|notify|notifying|disclose|alert)\b"
)
_ANY_TOOL: Final = (
    r"\b(?:before|after|when|whenever|prior to)\s(?:\w{1,12}\s){0,2}(?:using|calling|invoking|use|call|running)\s"
    r"(?:any|all|every|each|other|another)\s(?:\w{1,12}\s)?(?:tools?|functions?|servers?)\b"
)
_HAND_OVER: Final = r"\b(?:pass|send|include|provide|copy|paste|put|append|attach|forward|insert|fill in)\b"
_THERE: Final = (
    r"\b(?:argument|parameter|field|here|this tool|as (?:the )?(?:context|note|sidenote|value)"
    r"|to (?:https?:|\S{1,40}@))"
)
_SILENTLY: Final = (
    r"\b(?:always|must|also|silently|secretly|bcc|instead)\s(?:\w{1,12}\s){0,4}"
    r"(?:send|forward|post|bcc|cc|copy|email|upload|report|to)\b"
)
_UNREADABLE: Final = r"[A-Za-z0-9+/]{160,400}={0,2}|(?:\\x[0-9a-f]{2}){24,100}|(?:%[0-9a-f]{2}){24,100}"

WORD_RULES: Final[tuple[Rule, ...]] = (
    rule("poisoning-tags", "high", "It marks a part of itself as an order to the model.", _MARKS),
    rule("poisoning-override", "high", "It takes back what the model was told before.", _FROM_BEFORE),
    rule(
        "poisoning-secrecy",
        "high",
        "It keeps something from the person.",
        _SECRECY,
        r"\b(?:user|person|human|customer|anyone|anybody|them)\b",
    ),
    rule("poisoning-role", "high", "It gives the model another part to play.", _ROLE),
    rule("poisoning-any-tool", "high", "It wants a say in the calls of other tools.", _ANY_TOOL, _ORDER),
    rule(
        "poisoning-side-effect",
        "medium",
        "It asks for another call in order to be used.",
        r"\b(?:before|after|when)\s(?:using|calling|invoking)\sthis\stool\b",
        r"\b(?:must|always|required to|have to)\b",
        r"\b(?:read|send|call|run|execute|fetch)\b",
    ),
    rule("exfil-file", "high", "It wants files that hold secrets.", _READ, _FILE),
    rule("exfil-file-argument", "high", "It wants files that hold secrets in an argument.", _FILE, _HAND_OVER),
    rule("exfil-context", "high", "It wants what the model was told, or secrets.", _HAND_OVER, _SECRET, _THERE),
    rule(
        "exfil-address",
        "high",
        "It sends something to an address of its own.",
        _SILENTLY,
        r"\bhttps?://|\b[\w.+-]{1,40}@[\w-]{1,40}\.\w{2,8}",
    ),
    rule(
        "exfil-image",
        "high",
        "A picture's address carries something out.",
        r"!\[[^\]]{0,80}\]\(\s{0,2}https?://",
        r"[?&/]\w{0,20}=?\s{0,2}(?:\{|\$|<|%7b)",
    ),
    rule(
        "address-of-code",
        "medium",
        "It holds an address that is code or data.",
        r"\b(?:javascript|vbscript):\s{0,2}\S|\bdata:(?:text/html|application/)",
    ),
    rule(
        "address-bare",
        "warning",
        "It holds an address that is a number.",
        r"\bhttps?://\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
    ),
    rule("encoded-text", "medium", "It holds a long text that nobody can read.", _UNREADABLE),
)
