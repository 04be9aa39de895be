"""How conversations stand for whoever looks after their customers: what was said last, and how far each message came.

Others take the views: `DeliveryView`, `ConversationBook`.
"""
