"""What runs inside the sandbox: the program that judges one edited statement. Standard library only."""
