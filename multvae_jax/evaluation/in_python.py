"""`read_lists` as Python calls it: its errors and notes name arguments, and not options."""

from multvae_jax.data.spelling import in_python
from multvae_jax.evaluation import list_files

_COLUMNS = {
    f"{role}-column": f"columns=Columns({role}=...)" for role in ("user", "item", "rating", "time")
}
read_lists = in_python(list_files.read_lists, _COLUMNS)
