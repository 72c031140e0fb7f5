from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [path("health", lambda _: HttpResponse("ok")), path("o/", include("oauth2_provider.urls"))]
