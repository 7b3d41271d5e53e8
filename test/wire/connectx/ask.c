/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket of the model in this process. */
#include "cxtest.h"
#include <glob.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int
ctl_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = PATIENCE };
	char pattern[64];
	glob_t g;
	int s;

	snprintf(pattern, sizeof(pattern), "/tmp/connectx-%d-*/ctl", (int)getpid());
	CHECK(glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc == 1, "%s is not there", pattern);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", g.gl_pathv[0]);
	globfree(&g);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(s >= 0 && connect(s, (struct sockaddr *)&sun, sizeof(sun)) == 0, "%m");
	CHECK(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0, "%m");
	return s;
}

char *
ctl_ask(const char *request)
{
	static char text[1 << 20];
	size_t len = 0;
	int s = ctl_connect();
	ssize_t n;

	n = snprintf(text, sizeof(text), "%s\n", request);
	CHECK(send(s, text, n, MSG_NOSIGNAL) == n, "%m");
	while ((n = recv(s, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += n;
	CHECK(n == 0, "%s: %m", request);
	close(s);
	text[len] = '\0';
	return text;
}

uint64_t
ctl_number(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (; (text = strstr(text, name)) != NULL; text += n)
		if (text[n] == ' ' || text[n] == ':' || text[n] == '"')
			return strtoull(text + n + strspn(text + n, " :\""), NULL, 10);
	return UINT64_MAX;
}
