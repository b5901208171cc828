"""
The console: pages over the warehouse, made on the server, in a process of their own behind the receivers.

A page asks `analytics` by the SQL of `questions`, in one read-only snapshot with a time limit, and fills a template.
"""
