"""Recipes: everything that makes a training run, as a value with a name, and the runs themselves."""

from mnistkit.recipes.catalogue import get_recipe as get_recipe
from mnistkit.recipes.catalogue import list_recipes as list_recipes
from mnistkit.recipes.drawn_lines import DrawnLines as DrawnLines
from mnistkit.recipes.drawn_pages import DrawnPages as DrawnPages
from mnistkit.recipes.finder import FinderRecipe as FinderRecipe
from mnistkit.recipes.lines import LineRecipe as LineRecipe
from mnistkit.recipes.recipe import Recipe as Recipe
from mnistkit.recipes.result import Result as Result
