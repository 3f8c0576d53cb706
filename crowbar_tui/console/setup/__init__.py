"""The first run: from an admin node that was never asked anything to a plan that is committed.

    wizard   the screen: steps forth and back, what is asked, the answers
    steps    one class per step that is not a form: start, checks, interface, DHCP, the plan
    forms    the steps that ask for values
    form     fields, and a step made of them
    hands    what is looked at and written on this machine, in threads
"""
