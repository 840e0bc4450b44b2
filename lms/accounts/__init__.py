"""People and their accounts, sign-in, invitations, second factor, roles in their scope."""
