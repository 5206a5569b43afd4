"""What PyInstaller cannot see in the imports of a program: MNIST, weights, pages; modules that are imported when first used."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

datas = collect_data_files("mnistkit")
hiddenimports = collect_submodules("mnistkit", filter=lambda name: not name.startswith("mnistkit.pyinstaller"))
