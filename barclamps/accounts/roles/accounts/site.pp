# Accounts of people, from the attribute accounts-users. Only types of Puppet's core.
$root = $facts['crowbar_root']
$users = lookup('accounts.users', Hash)

$users.each |String $name, Hash $about| {
  $present = $about['present'] =~ Undef or $about['present']
  $home = "/home/${name}"

  user { $name:
    ensure     => if $present { present } else { absent },
    home       => $home,
    shell      => '/bin/bash',
    managehome => $present,
  }

  $sudo = $present and $about['sudo'] == true
  file { "${root}/etc/sudoers.d/crowbar-${name}":
    ensure  => if $sudo { file } else { absent },
    mode    => '0440',
    content => "${name} ALL=(ALL:ALL) NOPASSWD: ALL\n",
  }

  if $present {
    $keys = $about['keys'] ? {
      Undef   => [],
      default => $about['keys'],
    }
    file { "${root}${home}/.ssh":
      ensure  => directory,
      owner   => $name,
      mode    => '0700',
      require => User[$name],
    }
    file { "${root}${home}/.ssh/authorized_keys":
      ensure  => file,
      owner   => $name,
      mode    => '0600',
      content => join($keys + [''], "\n"),
    }
  }
}
