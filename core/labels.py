"""The 18 classes: ``label = mask*6 + gender*3 + age``, and the way there and back.

Each function works alike on NumPy arrays and on torch tensors.
"""

MASK = ("worn", "wrong", "none")
GENDER = ("male", "female")
AGE = ("<30", "30-59", "60+")
TASKS = {"mask": MASK, "gender": GENDER, "age": AGE}
CLASSES = tuple(f"{mask} {gender} {age}" for mask in MASK for gender in GENDER for age in AGE)

#: An age in years, 0 to 120, as a table writes it; a slip such as 580 for 58 must not make an elderly person.
YEARS = "[0-9]{1,2}|1[01][0-9]|120"

#: The mask state of each file, by its stem.
STEMS = {**{f"mask{k}": 0 for k in range(1, 6)}, "incorrect_mask": 1, "normal": 2}


def age_group(age, young: int = 30, old: int = 60):
    """0 below `young`, 2 from `old`, 1 between; ages in years, any integer array."""
    return (age >= young) * 1 + (age >= old) * 1


def label(mask, gender, age):
    """Class 0..17 from attribute classes (scalars or integer arrays of one shape)."""
    return mask * 6 + gender * 3 + age


def split(label) -> tuple:
    """(mask, gender, age) of class 0..17, each with the shape of `label`."""
    return label // 6, label // 3 % 2, label % 3


def joint(mask, gender, age):
    """(n, 18) probabilities from (n, 3), (n, 2) and (n, 3) taken as independent."""
    product = mask[:, :, None, None] * gender[:, None, :, None] * age[:, None, None, :]
    return product.reshape(len(product), 18)


def marginals(probs) -> tuple:
    """(n, 3), (n, 2) and (n, 3): the probabilities of mask, gender and age alone, from (n, 18)."""
    cube = probs.reshape(len(probs), 3, 2, 3)
    return cube.sum(3).sum(2), cube.sum(3).sum(1), cube.sum(2).sum(1)
