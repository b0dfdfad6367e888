// A Node cluster whose workers accept for themselves (SCHED_NONE). With the
// default policy, round robin, the primary accepts alone and hands each
// connection on: one acceptor, which libfastsock leaves as it is.
'use strict';

const cluster = require('node:cluster');
const http = require('node:http');
const os = require('node:os');

const port = Number(process.env.PORT || 8083);

cluster.schedulingPolicy = cluster.SCHED_NONE;

if (cluster.isPrimary) {
	let ending = false;

	for (let i = 0; i < os.cpus().length; i++)
		cluster.fork();
	cluster.on('exit', () => ending || cluster.fork());
	for (const signal of ['SIGINT', 'SIGTERM'])
		process.on(signal, () => {
			ending = true;
			cluster.disconnect(() => process.exit(0));
		});
} else {
	// The primary tells the workers to end; a terminal's Ctrl-C reaches them, too.
	process.on('SIGINT', () => {});
	http.createServer((request, response) => {
		response.end(`served by node, worker ${process.pid}\n`);
	}).listen(port, process.env.HOST);
}
