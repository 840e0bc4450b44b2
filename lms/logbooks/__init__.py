"""logbooks"""
