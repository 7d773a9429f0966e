# How Rack and Rails read a request: ruby ruby.rb PORT
require "json"
require "rack"
require "action_dispatch"
require "puma"
require "puma/server"

def escaped(path) = path.b.gsub(/[^A-Za-z0-9]/n) { |c| format("%%%02X", c.ord) }

def lists
  yield
rescue StandardError
  {}
end

RACK = lambda do |env|
  request = Rack::Request.new(env)
  { framework: "Rack #{Rack.release}", method: request.request_method, path: escaped(Rack::Utils.unescape_path(request.path_info.b)),
    query: lists { request.GET }, form: lists { request.POST } }
end

RAILS = lambda do |env|
  request = ActionDispatch::Request.new(env)
  method = begin
    request.method
  rescue StandardError
    env["REQUEST_METHOD"]
  end
  { framework: "Rails #{ActionPack.version}", method: method, path: escaped(Rack::Utils.unescape_path(request.path_info.b)),
    query: lists { request.query_parameters }, form: lists { request.request_parameters } }
end

app = lambda do |env|
  body = env["rack.input"].read
  # As the servers of Rails' applications have it: the override is the first thing that reads.
  readings = [RACK, RAILS].map do |framework|
    own = env.dup.merge("rack.input" => StringIO.new(body), "rack.errors" => StringIO.new)
    answer = nil
    Rack::MethodOverride.new(lambda { |inner| answer = framework.call(inner); [200, {}, []] }).call(own)
    answer
  end
  [200, { "Content-Type" => "application/json" }, [JSON.generate(readings.map { |one| plain(one) })]]
end

def plain(value)
  case value
  when Hash then value.to_h { |key, inner| [plain(key.to_s), plain(inner)] }
  when Array then value.map { |inner| plain(inner) }
  else value.to_s.dup.force_encoding("UTF-8").scrub
  end
end

server = Puma::Server.new(app, Puma::Events.null, min_threads: 1, max_threads: 1)
server.add_tcp_listener("127.0.0.1", Integer(ARGV[0]))
server.run.join
