<?php
// How plain PHP, Symfony and Laravel read a request: php -S 127.0.0.1:PORT php.php
require '/usr/share/php/Illuminate/Http/autoload.php';
require_once '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php';

use Illuminate\Http\Request as Laravel;
use Symfony\Component\HttpFoundation\Request as Symfony;

$override = $_POST['_method'] ?? $_GET['_method'] ?? $_SERVER['HTTP_X_HTTP_METHOD_OVERRIDE'] ?? null;
$plain = [
    'framework' => 'PHP ' . PHP_VERSION,
    // As Slim, Yii and CakePHP do it on top of PHP's own reading.
    'method' => $_SERVER['REQUEST_METHOD'] === 'POST' && is_string($override) ? strtoupper($override) : $_SERVER['REQUEST_METHOD'],
    'path' => rawurldecode(explode('?', $_SERVER['REQUEST_URI'])[0]),
    'query' => $_GET,
    'form' => $_POST,
];
Symfony::enableHttpMethodParameterOverride();
function read(string $framework, Symfony $request, array $all): array {
    try {
        $method = $request->getMethod();
    } catch (\Throwable) {
        $method = $request->getRealMethod();
    }
    return ['framework' => $framework, 'method' => $method, 'path' => rawurldecode($request->getPathInfo()),
            'query' => $request->query->all(), 'form' => $all];
}
$symfony = Symfony::createFromGlobals();
$laravel = Laravel::createFromBase(Symfony::createFromGlobals());
$readings = [$plain, read('Symfony', $symfony, $symfony->request->all()), read('Laravel', $laravel, (array) $laravel->input())];
foreach ($readings as &$reading) {
    $reading['path'] = rawurlencode($reading['path']);
}
header('Content-Type: application/json');
echo json_encode($readings, JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR);
