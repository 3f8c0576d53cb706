# The text of the attribute banner-text, as /etc/issue.net.
text = node['crowbar']['banner']['text'].chomp + "\n"

file "#{ENV['CROWBAR_ROOT']}/etc/issue.net" do
  content text
  mode '0644'
end

node.normal['crowbar_gives'] = { 'banner-lines' => text.lines.length }
