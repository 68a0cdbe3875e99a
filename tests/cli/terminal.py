"""terminal.py COLUMNS TERM COMMAND...: runs a command in a terminal of that width and prints what came there, as Python's repr."""
import fcntl
import os
import pty
import struct
import sys
import termios

columns, term, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
ready, go = os.pipe()  # the child begins when the terminal has its size
child, terminal = pty.fork()
if child == 0:
    os.close(go)
    os.read(ready, 1)
    os.environ["TERM"] = term
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
os.close(ready)
os.close(go)
came = b""
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    came += piece
os.waitpid(child, 0)
print(repr(came.decode()))
