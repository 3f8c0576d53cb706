name 'banner'
version '1.0.0'
description 'The text that is shown before a login over the network.'
