"""Commands that a skill has no business with: the forty rules of Symbiont's scanner, by their names.

The expressions are our own, and narrower where theirs take an ordinary word for a command.

Source: Symbiont, skill scanner, default rules.
"""

from __future__ import annotations

from typing import Final

from lichen.tools.scan.rule import Rule, rule

_CMD: Final = r"(?:^|[;&|`$(]|\b(?:run|then|do|exec)\s)\s{0,4}"  # where a command may begin
_SHELL: Final = r"\|\s{0,8}(?:sudo\s(?:-\w{1,4}\s)?)?(?:/\S{0,20}/)?(?:env\s)?(?:ba|z|da|k)?sh\b"
_EDIT: Final = r"\b(?:write|modify|overwrite|replace|edit|append|change|update)\b"
_SH: Final = r"/bin/(?:ba|z|da)?sh\b"
_NET: Final = r"\b(?:fetch|requests?|https?|curl|wget|urllib|urlopen)\b"
_EVAL: Final = r"\b(?:eval|exec)\s{0,4}\("

SHELL_RULES: Final[tuple[Rule, ...]] = (
    rule("pipe-to-shell", "critical", "What curl gets is run by a shell.", r"\bcurl\s", _SHELL),
    rule("wget-pipe-to-shell", "critical", "What wget gets is run by a shell.", r"\bwget\s", _SHELL),
    rule("env-file-reference", "warning", "A file of environment variables is named.", r"(?:^|[\s/\"'`(])\.env\b"),
    rule("soul-md-modification", "critical", "The file of an agent's identity is changed.", _EDIT, r"\bSOUL\.md\b"),
    rule("memory-md-modification", "critical", "The file of an agent's memory is changed.", _EDIT, r"\bMEMORY\.md\b"),
    rule("eval-with-fetch", "critical", "What comes from the network is evaluated.", _EVAL, _NET),
    rule("fetch-with-eval", "critical", "What comes from the network is evaluated.", _NET, _EVAL),
    rule("base64-decode-exec", "critical", "What was hidden in base64 is run.", r"\bbase64\s{1,4}(?:-d|-D|--decode)\b", _SHELL),
    rule("rm-rf-pattern", "critical", "Everything below a root is deleted.", r"\brm\s{1,4}-(?:rf?|fr)\s{1,4}(?:/|~|\$HOME)"),
    rule("chmod-777", "warning", "Everybody may write the file.", r"\bchmod\s{1,4}(?:-R\s{1,4})?0?777\b"),
    rule("reverse-shell-bash", "critical", "A shell is handed to somebody else.", r"\b(?:ba)?sh\s{1,4}-i\b", r"/dev/(?:tcp|udp)/"),
    rule("reverse-shell-nc", "critical", "A shell is handed to somebody else.", r"\bnc\s", r"\s-\w{0,4}[ec]\s{0,4}" + _SH),
    rule("reverse-shell-ncat", "critical", "A shell is handed to somebody else.", r"\bncat\s", r"\s-(?:-exec|\w{0,4}[ec])\s{0,4}" + _SH),
    rule("reverse-shell-mkfifo", "critical", "A shell is handed to somebody else.", r"\bmkfifo\s", r"\bnc\b"),
    rule("reverse-shell-python", "critical", "A shell is handed to somebody else.", r"\.connect\s{0,2}\(|\bsocket\b", r"\bsubprocess\b|\bos\.dup2\b|\bpty\.spawn\b"),
    rule("reverse-shell-perl", "critical", "A shell is handed to somebody else.", r"\bperl\b", r"\bsocket\b", r"\bexec\b", _SH),
    rule("reverse-shell-ruby", "critical", "A shell is handed to somebody else.", r"\bruby\b", r"\bTCPSocket\b", r"\bexec\b", _SH),
    rule("credential-ssh-keys", "high", "Keys of SSH are read or added.", r"(?:~|\$HOME|/home/\w{1,32}|/root)/\.ssh/(?:id_\w{2,10}|authorized_keys|\*)"),
    rule("credential-aws", "high", "Credentials of AWS are read.", r"(?:~|\$HOME|/home/\w{1,32}|/root)/\.aws/(?:credentials|config)\b"),
    rule("credential-cloud-config", "high", "Credentials of a cloud are read.", r"(?:~|\$HOME|/home/\w{1,32}|/root)/\.(?:config/gcloud|kube/config|azure)\b"),
    rule("credential-browser-cookies", "high", "What a browser keeps is read.", r"\bcookies\.sqlite\b|/Cookies\b|\bLogin Data\b|\bkey4\.db\b"),
    rule("credential-keychain", "high", "A keychain is read.", r"\bsecurity\s{1,4}find-(?:generic|internet)-password\b|\bkeyctl\s{1,4}read\b"),
    rule("credential-etc-shadow", "high", "Hashes of passwords are read.", r"\b(?:cat|head|tail|less|more|cp|grep)\s", r"/etc/shadow\b"),
    rule("exfil-dns-tunnel", "high", "Something is carried out in names that are looked up.", _CMD + r"(?:dig|nslookup|host)\s", r"\$[({]|\$[a-z_]\w{0,31}\."),
    rule("exfil-dev-tcp", "high", "A shell talks to the network by itself.", r"/dev/(?:tcp|udp)/"),
    rule("exfil-nc-outbound", "high", "Netcat talks to somebody.", _CMD + r"nc\s{1,4}(?:-\w{1,4}\s{1,4}(?:\d{1,5}\s{1,4})?){0,4}[\w.-]{1,64}\s{1,4}\d{1,5}\b"),
    rule("injection-ptrace", "critical", "Another process is taken over.", r"\bptrace\s{0,4}\(\s{0,4}PTRACE_(?:ATTACH|SEIZE|POKE)"),
    rule("injection-ld-preload", "critical", "A library is put into every program.", r"\bLD_PRELOAD\s{0,2}=|/etc/ld\.so\.preload\b"),
    rule("injection-proc-mem", "critical", "The memory of a process is written or read.", r"/proc/(?:\d{1,10}|self|\$\w{1,20})/mem\b"),
    rule("injection-gdb-attach", "critical", "A debugger takes over a process.", r"\bgdb\s{1,4}(?:-p\b|--pid\b|attach\b)"),
    rule("privesc-sudo", "high", "Something is done as another user.", _CMD + r"sudo\s{1,4}[\w/-]"),
    rule("privesc-setuid", "high", "A program is made to run as its owner.", r"\bchmod\s{1,4}(?:-R\s{1,4})?(?:[ugoa]{0,4}[+=][rwx]{0,3}s|0?[2467][0-7]{3}\b)"),
    rule("privesc-setcap", "high", "A program is given capabilities.", _CMD + r"setcap\s{1,4}\S|\bsetcap\s{1,4}cap_"),
    rule("privesc-chown-root", "high", "A file is given to root.", r"\bchown\s{1,4}(?:-R\s{1,4})?(?:root|0)(?::|\s)"),
    rule("privesc-nsenter", "high", "Namespaces are left or made.", _CMD + r"(?:nsenter|unshare)\s{1,4}-"),
    rule("symlink-escape", "medium", "A link leads to a folder of the system.", r"\bln\s{1,4}-\w{0,3}s\w{0,3}\s{1,4}/(?:etc|home|root|var|tmp|proc)\b"),
    rule("path-traversal-deep", "medium", "A path leaves its folder several times.", r"\.\./\.\./\.\."),
    rule("downloader-curl-save", "medium", "What curl gets is kept.", r"\bcurl\s", r"\s(?:-o|-O|--output|--remote-name)\b"),
    rule("downloader-wget-save", "medium", "What wget gets is kept.", r"\bwget\s", r"\s(?:-O|--output-document)\b"),
    rule("downloader-chmod-exec", "medium", "A file is made a program.", r"\bchmod\s{1,4}(?:-R\s{1,4})?[ugoa]{0,4}\+\w{0,2}x\b"),
)  # fmt: skip
