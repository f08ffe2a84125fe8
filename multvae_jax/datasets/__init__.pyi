from .loading import load_dataset as load_dataset
from .loading import load_split as load_split
from .registry import DATASETS as DATASETS
