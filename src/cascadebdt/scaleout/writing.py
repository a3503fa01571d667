"""The text of what HTCondor reads: the DAG, a submit description for each category of nodes, and the scripts."""

import shlex
from collections.abc import Mapping, Sequence

from cascadebdt.config.batch import BatchConfig, ResourcesConfig
from cascadebdt.pipeline import Node

INPUT_IS_WRONG = 2  # exit code of the command line, see `cli`
MAY_PASS = 75
MEMORY_EXCEEDED = 34  # hold reason codes of HTCondor
BY_A_PERSON = 1
LAST = "report"  # the node that runs whatever happens to the others
NOT_READ = ("batch", "plots", "scores", "applied", "selected", "report.html", ".lock")  # products that no node reads
PARTS = (".selected", ".filled")  # of which each node reads some, see `Node.reads`
REMOVED = 4  # $DAG_STATUS of a DAG that a person removed


def dag(nodes: Sequence[Node], config: BatchConfig, *, has_scripts: bool) -> str:
    """Return the DAG of some nodes, those marked that need not be done.

    Parameters
    ----------
    has_scripts : whether each node packs before and collects after itself
    """
    lines = ["# The plan of the analysis, written by 'cascadebdt submit'; DONE marks what need not be done again."]
    for node in nodes:
        lines += _last(node) if node.name == LAST else _node(node, config, has_scripts=has_scripts)
    nodes = [node for node in nodes if node.name != LAST]
    for category in dict.fromkeys(node.category for node in nodes):
        lines.append(f"MAXJOBS {category} {resources(config, category).at_a_time}")
    # Nodes with the same parents are their children together: one line, and not one for each pair.
    families: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        families.setdefault(node.after, []).append(node.name)
    for parents, children in families.items():
        if parents:
            lines.append(f"PARENT {' '.join(parents)} CHILD {' '.join(children)}")
    return "\n".join(lines) + "\n"


def _node(node: Node, config: BatchConfig, *, has_scripts: bool) -> list[str]:
    """Return the lines of a node."""
    lines = [
        f"JOB {node.name} {node.category}.sub{' DONE' if node.is_done else ''}",
        f'VARS {node.name} node="{node.name}" step="{" ".join(node.arguments)}"',
        f"RETRY {node.name} {config.retries} UNLESS-EXIT {INPUT_IS_WRONG}",
        f"CATEGORY {node.name} {node.category}",
    ]
    if has_scripts:
        lines.append(f"SCRIPT PRE {node.name} {' '.join(['./pack.sh', '$JOB', *node.reads])}")
        lines.append(f"SCRIPT POST {node.name} ./collect.sh $JOB $RETURN")
    return lines


def _last(node: Node) -> list[str]:
    """Return the lines of the node that runs after all others, failed ones too.

    DAGMan gives it no retries, which are those of its job, and no category; and it ends as this node does.
    """
    return [
        f"FINAL {node.name} {node.category}.sub",
        f'VARS {node.name} node="{node.name}" step="{" ".join(node.arguments)}"',
        f"SCRIPT PRE {node.name} ./before_last.sh $JOB $DAG_STATUS",
        f"SCRIPT POST {node.name} ./after_last.sh $JOB $RETURN $DAG_STATUS",
    ]


def resources(config: BatchConfig, category: str) -> ResourcesConfig:
    """Return what jobs of a category ask for."""
    asked: ResourcesConfig = getattr(config, category)
    return asked


def description(config: BatchConfig, category: str, *, archives: Sequence[str]) -> str:
    """Return the submit description of a category of nodes.

    Parameters
    ----------
    archives : files that every job takes; none where all machines see the files of the analysis
    """
    commands = {
        "universe": "vanilla",
        **_container(config),
        "executable": "job.sh",
        "arguments": "$(node) $(step)",
        "log": "jobs/$(node).log",
        "output": "jobs/$(node).out",
        "error": "jobs/$(node).err",
        **_transfer(archives),
        **_requests(config, resources(config, category)),
        **_policy(config),
        **(_retries(config) if category == LAST else {}),
        **config.commands,
    }
    return "".join(f"{name} = {value}\n" for name, value in commands.items()) + "queue\n"


def _container(config: BatchConfig) -> dict[str, str]:
    if config.environment in ("here", "packed"):
        return {}
    return {"universe": "container", "container_image": config.environment}


def _transfer(archives: Sequence[str]) -> dict[str, str]:
    if not archives:
        return {"should_transfer_files": "NO"}
    return {
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT",
        "transfer_input_files": ", ".join([*archives, "jobs/$(node).in.tar"]),
        "transfer_output_files": "$(node).out.tar",
        "transfer_output_remaps": '"$(node).out.tar = jobs/$(node).out.tar"',
    }


def _requests(config: BatchConfig, asked: ResourcesConfig) -> dict[str, str]:
    """Return the requests; after a hold for memory a job asks for more than it used."""
    most = max(config.max_memory_mb, asked.memory_mb)
    return {
        "request_cpus": str(asked.cpus),
        "request_memory": f"min({{{most}, max({{{asked.memory_mb}, (MemoryUsage ?: 0) * 3 / 2}})}})",
        "request_disk": f"{asked.disk_mb}MB",
        **({"request_gpus": str(asked.gpus)} if asked.gpus else {}),
    }


def _policy(config: BatchConfig) -> dict[str, str]:
    """Return when a held job goes on, or leaves, so that it cannot hold up the DAG for ever."""
    held_for = "(time() - EnteredCurrentStatus)"
    tries = f"NumJobStarts <= {config.retries}"
    by_system = f"HoldReasonCode =!= {BY_A_PERSON} && {held_for} > {config.held_seconds // 10}"
    return {
        "periodic_release": f"{tries} && (HoldReasonCode =?= {MEMORY_EXCEEDED} || ({by_system}))",
        "periodic_remove": f"JobStatus == 5 && {held_for} > {config.held_seconds}",
    }


def _retries(config: BatchConfig) -> dict[str, str]:
    """Return how often a job runs again by itself, where DAGMan has no retries."""
    return {"max_retries": str(config.retries), "retry_until": str(INPUT_IS_WRONG)}


def job_in_place(command: Sequence[str], arguments: Sequence[str], *, variables: Mapping[str, str]) -> str:
    """Return the script of a job that works in the folders of the analysis.

    Parameters
    ----------
    command : that starts the package
    arguments : of every step, after its own: the configuration and options
    variables : of the environment
    """
    return "\n".join(
        [
            "#!/bin/sh",
            "# Do one step. Arguments: the node, then the step's.",
            "node=$1; shift",
            *_exported(variables),
            f'exec {shlex.join(command)} "$@" {shlex.join(arguments)}',
            "",
        ]
    )


def _exported(variables: Mapping[str, str]) -> list[str]:
    """Return the lines that set the environment of a job."""
    exports = [f"export {name}={value}" for name, value in variables.items()]
    return ['export CASCADEBDT_NODE="$node" HOME="${HOME:-$PWD}"', *exports]


def job_in_a_copy(
    command: Sequence[str],
    arguments: Sequence[str],
    *,
    output: str,
    archives: Sequence[str],
    variables: Mapping[str, str],
) -> str:
    """Return the script of a job that unpacks what it needs, and packs what it wrote and the names of what it removed.

    Parameters
    ----------
    output : folder of the products
    archives : that every job takes
    command, arguments, variables : as for `job_in_place`
    """
    unpacked = " && ".join(f"tar xf {name} -C {'.' if name.startswith('environment') else 'root'}" for name in archives)
    folder = shlex.quote(output)
    return f"""#!/bin/sh
# Do one step in a copy of what it needs. Arguments: the node, then the step's.
node=$1; shift
here=$PWD
mkdir -p root/{folder} && {unpacked} && tar xf "$node.in.tar" -C root || exit {MAY_PASS}
{chr(10).join(_exported(variables))}
cd root
find {folder} -mindepth 1 | sort > "$here/before"
{shlex.join(command)} "$@" {shlex.join(arguments)}
code=$?
find {folder} -mindepth 1 | sort > "$here/after"
comm -23 "$here/before" "$here/after" > "$here/removed"
find {folder} -type f -newer "$here/before" > "$here/written"
tar cf "$here/$node.out.tar" -C "$here" removed -C "$here/root" -T "$here/written" || exit {MAY_PASS}
exit $code
"""


def pack_script(*, root: str, output: str) -> str:
    """Return the script that packs the products which a node may read."""
    others = " ".join(f"! -name {name}" for name in (*NOT_READ, *PARTS))
    return f"""#!/bin/sh
# Pack the products that a node may read. Arguments: the node, and names and patterns besides those of all nodes.
here=$PWD
node=$1; shift
cd {shlex.quote(root)} && mkdir -p {shlex.quote(output)} || exit {MAY_PASS}
find {shlex.quote(output)} -mindepth 1 -maxdepth 1 {others} > "$here/jobs/$node.list"
for name in "$@"; do
    for match in {shlex.quote(output)}/$name; do
        if [ -e "$match" ]; then printf '%s\\n' "$match" >> "$here/jobs/$node.list"; fi
    done
done
tar cf "$here/jobs/$node.in.tar" -T "$here/jobs/$node.list" || exit {MAY_PASS}
"""


def collect_script(*, root: str) -> str:
    """Return the script that puts what a node made beside the other products, and ends as the node did."""
    return f"""#!/bin/sh
# Collect what a node wrote, and remove what it removed. Arguments: the node, its exit code.
here=$PWD
code=$2
case $code in -*) code={MAY_PASS} ;; esac
made="$here/jobs/$1.out.tar"
if [ -f "$made" ]; then
    cd {shlex.quote(root)} || exit {MAY_PASS}
    tar xf "$made" -O removed | while IFS= read -r name; do rm -rf -- "$name"; done
    tar xf "$made" --exclude=removed || code={MAY_PASS}
fi
rm -f "$made" "$here/jobs/$1.in.tar" "$here/jobs/$1.list"
exit "$code"
"""


def before_last_script(*, has_scripts: bool) -> str:
    """Return the script before the last node, which ends a DAG that a person removed without it."""
    packed = '\nexec ./pack.sh "$1"' if has_scripts else ""
    return f"""#!/bin/sh
# Start the last node, unless the DAG was removed. Arguments: the node, the state of the DAG.
[ "$2" -ne {REMOVED} ] || exit {INPUT_IS_WRONG}{packed}
"""


def after_last_script(*, has_scripts: bool) -> str:
    """Return the script after the last node: where another node has failed, the DAG has failed."""
    collected = '\n./collect.sh "$1" "$2"; code=$?' if has_scripts else ""
    return f"""#!/bin/sh
# End as the DAG does. Arguments: the last node, its exit code, the state of the DAG before it.
code=$2{collected}
case $code in -*) code={MAY_PASS} ;; esac
[ "$3" -eq 0 ] || code={INPUT_IS_WRONG}
exit "$code"
"""
