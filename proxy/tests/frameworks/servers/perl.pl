# How Mojolicious reads a request: perl perl.pl PORT
use Mojo::Base -strict;
use Mojolicious;
use Mojo::Server::Daemon;
use Mojo::Util qw(encode url_escape);

my $app = Mojolicious->new(secrets => ['none']);
$app->log->level('fatal');
sub lists { my $params = shift; return $params->to_hash }
for my $method (qw(GET POST PUT PATCH DELETE OPTIONS)) {
    # The router is what replaces the method.
    $app->routes->any([$method] => '/*rest' => {rest => ''} => sub {
        my $c = shift;
        my $json = $c->req->json;
        $c->render(json => [{framework => "Mojolicious $Mojolicious::VERSION", method => $method,
            path => url_escape(encode('UTF-8', $c->req->url->path->to_route), '^A-Za-z0-9'),
            query => lists($c->req->query_params), form => lists($c->req->body_params)}]);
    });
}
Mojo::Server::Daemon->new(app => $app, listen => ["http://127.0.0.1:$ARGV[0]"], silent => 1)->run;
