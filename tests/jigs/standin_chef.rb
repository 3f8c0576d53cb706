#!/usr/bin/env ruby
# A stand-in for chef-solo, which is in no package registry. It does what Chef's documentation says of the parts that a task uses:
# evaluates --config as Chef::Config does, reads --json-attributes, runs the recipes of the run list with two resources (file, and
# directory), and calls the report handlers at the end of a run that succeeded.
require 'json'
require 'fileutils'
$LOADED_FEATURES << 'chef/handler.rb' # solo.rb requires it
module Kernel
  alias plain_require require
  def require(name) = name == 'chef/handler' ? true : plain_require(name)
end
class Chef
  class Handler
    attr_accessor :run_status
  end
end
RunStatus = Struct.new(:node)
class Node
  attr_reader :normal
  def initialize(given) = @normal = given
  def [](key) = @normal[key]
end
module Config
  @set = { report_handlers: [] }
  def self.method_missing(name, *words) = words.empty? ? @set.fetch(name) : @set[name] = words.first
  def self.respond_to_missing?(*) = true
  def self.from_file(path) = instance_eval(File.read(path), path, 1)
  def self.at(name) = @set.fetch(name)
end
class Resource
  def initialize(name) = @name = name
  %i[content mode owner group recursive].each { |word| define_method(word) { |value| instance_variable_set("@#{word}", value) } }
  def converge(kind)
    if kind == :directory
      FileUtils.mkdir_p(@name)
    elsif !File.exist?(@name) || File.read(@name) != @content
      File.write(@name, @content)
      puts "  - update content in file #{@name}"
    end
    File.chmod(@mode.to_i(8), @name) if @mode
  end
end
class Recipe
  attr_reader :node
  def initialize(node) = @node = node
  %i[file directory].each do |kind|
    define_method(kind) do |name, &block|
      made = Resource.new(name)
      made.instance_eval(&block) if block
      made.converge(kind)
    end
  end
end

words = ARGV.each_with_index.to_h { |word, i| [word, ARGV[i + 1]] }
Config.from_file(words.fetch('--config'))
given = JSON.parse(File.read(words.fetch('--json-attributes')))
node = Node.new(given.reject { |key, _| key == 'run_list' })
begin
  given.fetch('run_list').each do |entry|
    name, recipe = entry[/\Arecipe\[(.+)\]\z/, 1].split('::')
    path = File.join(Config.at(:cookbook_path), name, 'recipes', "#{recipe || 'default'}.rb")
    puts "Recipe: #{name}::#{recipe || 'default'}"
    Recipe.new(node).instance_eval(File.read(path), path, 1)
  end
rescue SystemExit
  raise
rescue StandardError, ScriptError => error
  puts "FATAL: #{error.class}: #{error.message}"
  exit 1
end
Config.at(:report_handlers).each do |handler|
  handler.run_status = RunStatus.new(node)
  handler.report
end
