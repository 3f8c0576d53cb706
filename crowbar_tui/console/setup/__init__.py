"""The first run: from a fresh admin node to a committed plan.

wizard      the screen: steps forth and back
steps       one class per step without a form: start, checks, interface, DHCP, the plan
forms       the steps that ask for values
form        a step, and a step made of fields
field       one value
first_run   findings and answers, and the plan that they make
admin_node  what the wizard reads and writes on this machine, in threads
"""
