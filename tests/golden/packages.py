# What the scripts of this folder need of Python. They import this first.
import importlib.util, os, subprocess, sys, tempfile, venv


def need(*names):
    """
    Returns where all of these packages can be imported. Else it makes a virtual environment in the system's temporary folder,
    installs them there with pip, and starts the script again in it.
    """
    if all(importlib.util.find_spec(name) for name in names):
        return
    home = os.path.join(tempfile.gettempdir(), 'gradc-golden')
    python = os.path.join(home, 'bin', 'python')
    if os.environ.get('GRADC_GOLDEN_VENV'):
        sys.exit('the packages could not be installed: ' + ', '.join(names))
    if not os.path.exists(python):
        venv.create(home, with_pip=True)
    subprocess.check_call([python, '-m', 'pip', 'install', '--quiet', *names])
    os.environ['GRADC_GOLDEN_VENV'] = '1'
    os.execv(python, [python, *sys.argv])
